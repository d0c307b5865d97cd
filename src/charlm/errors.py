"""The ground floor: the one exception that every room may raise."""


class UserError(ValueError):
    """A mistake that the user can mend.

    The message is one line that says what is wrong and what to do; a front door prints
    it after `error: ` and exits with status 2.
    """
