"""`python -m archwright.cli`."""

from . import main

raise SystemExit(main())
