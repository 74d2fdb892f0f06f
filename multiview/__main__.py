"""The program multiview: ``python -m multiview``."""

from multiview.runs.program import main

if __name__ == "__main__":
    main()
