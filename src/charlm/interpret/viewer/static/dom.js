"use strict"; // all of the page's scripts, which follow in one element
/* Elements of the page. */
const byId = (id) => document.getElementById(id);

/** Adds an element to a parent and returns it; its text is text and nothing else. */
const add = (parent, tag, className = "", textContent = "") =>
  parent.appendChild(Object.assign(document.createElement(tag), { className, textContent }));
