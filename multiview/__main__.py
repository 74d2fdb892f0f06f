"""The program multiview: ``python -m multiview``."""

from multiview.cli import main

if __name__ == "__main__":
    main()
