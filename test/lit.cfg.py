# The lit suite: tools by name, features of this machine.
import os
import shutil

import lit.formats

config.name = "heddle"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".json5"]
config.excludes = ["data", "oracle", "bad", "inputs"] # no tests: what tests read
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.heddle_build, "test", "lit")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.heddle_build, "bin"), config.llvm_tools, os.environ["PATH"]])
config.substitutions.append(("%specs", os.path.join(config.heddle_source, "specs")))
config.substitutions.append(("%source", config.heddle_source))
config.substitutions.append(("%build", config.heddle_build))
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%exit", f"{config.python} {config.heddle_source}/test/exit_code.py"))
config.substitutions.append(("%cc", config.cc))
config.substitutions.append(("%cxx", config.cxx))

with open("/proc/cpuinfo") as info:
    flags = set(info.read().split())
for feature, flag in (("avx2", "avx2"), ("avx512", "avx512vl")):
    if flag in flags:
        config.available_features.add(feature)
for tool in ("ptxas", "qemu-x86_64"):
    if shutil.which(tool) or os.path.exists(os.path.join("/usr/local/cuda/bin", tool)):
        config.available_features.add(tool)
