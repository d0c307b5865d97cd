"""The release of charlm, written once: the package's metadata is read from here."""

VERSION = "0.1.0"
