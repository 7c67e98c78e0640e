"""All formulas of papers 20 to 38 under one name."""
from .papers_20_29 import *
from .papers_30_38 import *
from .shared_20_38 import *
