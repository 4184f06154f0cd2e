"""`python -m mixture_builder`: the command line."""

from mixture_builder.cli.main import main

if __name__ == "__main__":
    main()
