"""One module a system; `base` says what each has to offer."""
