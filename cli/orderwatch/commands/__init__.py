"""One module a command: the function of the same name is its command line, and its docstring the help."""
