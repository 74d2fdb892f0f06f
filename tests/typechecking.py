"""The checker the import hook of conftest.py applies to multiview."""

from beartype import BeartypeConf, beartype

# As in PEP 484 and pyright, an int is accepted where a float is expected.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
