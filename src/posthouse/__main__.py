"""`python -m posthouse`: the program, where it is not on the search path."""

from posthouse.cli.main import main

main()
