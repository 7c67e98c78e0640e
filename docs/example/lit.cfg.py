import os

import lit.formats

config.name = "mine"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.test_source_root, "output")
config.environment["PATH"] = os.environ["PATH"]
