# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Builds the wheel. The metadata stand here and not in pyproject.toml, because the version and the
core's headers are the C++ library's, one folder up: a wheel is built from a clone."""

import pathlib
import re

from setuptools import Extension, setup

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parent / "include"

macros = dict(
    re.findall(
        r"#define COROLOCK_VERSION_(MAJOR|MINOR|PATCH) (\d+)",
        (INCLUDE / "corolock" / "version.hpp").read_text(encoding="utf-8"),
    )
)

setup(
    name="corolock",
    version="{MAJOR}.{MINOR}.{PATCH}".format(**macros),
    description="asyncio's own locks, natively, and those that asyncio lacks",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSL-1.0",
    python_requires=">=3.11,<3.14",
    packages=["corolock"],
    package_data={"corolock": ["*.pyi", "py.typed"]},
    ext_modules=[
        Extension(
            "corolock._corolock",
            sources=sorted(str(path.relative_to(HERE)) for path in HERE.glob("src/*.cpp")),
            depends=sorted(str(path) for path in HERE.glob("src/*.hpp")),
            include_dirs=[str(INCLUDE)],
            # Without exceptions: see CMakeLists.txt.
            extra_compile_args=[
                "-std=c++20", "-O2", "-DNDEBUG", "-fvisibility=hidden", "-fno-exceptions",
            ],  # fmt: skip
            language="c++",
        )
    ],
    zip_safe=False,
)
