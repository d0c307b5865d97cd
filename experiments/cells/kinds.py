"""The kinds of cells that the post and the paper show, and the labels of each."""

# Each with the labels of charlm.insight.features that say it.
KINDS = {
    "position in the line": ["position in line"],
    "inside quotes": ["inside quotes"],
    "inside the condition of an if": ["condition of if"],
    "inside comments and strings": ["comment or string", "inside comment"],
    "depth of an expression": [
        "depth of brackets",
        "depth of ( )",
        "depth of { }",
        "indentation",
    ],
    "the line's end ahead": ["line end within 5", "line end within 10", "left in line"],
    "inside URLs": ["in URL"],
    "inside [[ ]]": ["inside [[ ]]"],
    "position in [[ ]]": ["position in [[ ]]"],
}
BAR = 0.9  # held-out score from which a cell counts
BEATEN = 0.9  # share of clamped units of its variance that must cost less
