"""Token patterns that labels share with the measures of experiments/structure."""

# A closer looks for its opener among so many open brackets. Real texts nest less than
# half as deep; with the limit, the work is linear in the text.
MAX_NESTING = 50
BLANK_LINE = r"\n[ \t]*(?=\n)"  # without its last character
# The inside of a string of one line, which a backslash may continue.
DOUBLE_QUOTED = r'(?:[^"\\\n]|\\[\s\S]?)*+'
SINGLE_QUOTED = r"(?:[^'\\\n]|\\[\s\S]?)*+"
SPEAKER = r"[A-Z][\w .,'&/-]"  # how the name of a play's speaker begins
