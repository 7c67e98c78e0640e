"""All formulas of papers 1 to 19 under one name."""
from .papers_01_10 import *
from .papers_11_19 import *
from .shared_01_19 import *
