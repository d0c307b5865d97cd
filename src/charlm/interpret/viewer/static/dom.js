"use strict"; // all of the page's scripts, which follow in one element
/* Elements of the page. */
const byId = (id) => document.getElementById(id);
const setText = (id, text) => { byId(id).textContent = text; };
const on = (id, event, act) => byId(id).addEventListener(event, act);

/** Adds an element to a parent and returns it; its text is text and nothing else. */
const add = (parent, tag, className = "", textContent = "") =>
  parent.appendChild(Object.assign(document.createElement(tag), { className, textContent }));
