"""`python -m archwright`."""

from .cli import main

raise SystemExit(main())
