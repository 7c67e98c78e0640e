"""exit_code.py N COMMAND...: passes if the command exits with N. For lit, whose shell has no $?."""
import subprocess
import sys

code = subprocess.run(sys.argv[2:]).returncode
if code != int(sys.argv[1]):
    sys.exit(f"exit code {code}, expected {sys.argv[1]}")
