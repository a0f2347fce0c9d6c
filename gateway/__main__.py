"""``python -m gateway`` is ``weighbridge``."""

import sys

from gateway.cli.main import main

sys.exit(main())
