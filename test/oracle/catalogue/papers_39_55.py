"""All formulas of papers 39 to 55 under one name."""
from .papers_39_39 import *
from .papers_40_45 import *
from .papers_46_55 import *
from .shared_39_55 import *
