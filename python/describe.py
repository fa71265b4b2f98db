# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Says what CMake has to know of the interpreter that runs this: one line, separated by semicolons.

version;tag of its ABI;suffix of its extension modules;folder of its headers;1 for a debug build;
the program itself, where what was run is a script that looks for it
"""

import os
import platform
import sys
import sysconfig

include = sysconfig.get_path("include")
if not os.path.isfile(os.path.join(include, "Python.h")):
    sys.exit(f"{sys.executable} has no headers: there is no {include}/Python.h")
print(
    platform.python_version(),
    f"{sys.version_info.major}{sys.version_info.minor}{getattr(sys, 'abiflags', '')}",
    sysconfig.get_config_var("EXT_SUFFIX"),
    include,
    int(hasattr(sys, "gettotalrefcount")),
    sys.executable,
    sep=";",
)
