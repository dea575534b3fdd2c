"""The subcommands, one per module: the function of the same name is the command line, its docstring the help."""
