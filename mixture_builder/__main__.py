"""`python -m mixture_builder`: the command line."""

from mixture_builder.cli.main import main

# Worker processes import this module under another name; they must not run the command again.
if __name__ == "__main__":
    main()
