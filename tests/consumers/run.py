# SPDX-License-Identifier: BSL-1.0
"""Uses corolock from another project: builds and runs the programs beside this file.

usage: run.py WAY --source DIR --build DIR --scratch DIR --cmake FILE --compiler FILE --version V

WAY is the name of a folder here. find_package and pkg_config install the build into the scratch
folder first, and then move what was installed, which must not matter.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]


def call(*command: object, **options) -> str:
    """Runs a command and returns what it printed; ends this test when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
    )
    if done.returncode != 0:
        print("$ " + " ".join(words) + "\n" + done.stdout)
        sys.exit(f"{words[0]} ended with {done.returncode}")
    return done.stdout


def install(options: argparse.Namespace) -> pathlib.Path:
    """Installs into one folder, moves it to another and returns that."""
    installed = options.scratch / "installed"
    call(options.cmake, "--install", options.build, "--prefix", installed)
    moved = options.scratch / "moved"
    installed.rename(moved)
    return moved


def build_with_cmake(options: argparse.Namespace, *definitions: str) -> None:
    build = options.scratch / "build"
    call(
        options.cmake, "-G", "Ninja", "-S", HERE / options.way, "-B", build,
        f"-DCMAKE_CXX_COMPILER={options.compiler}", f"-DCMAKE_CXX_FLAGS={' '.join(FLAGS)}",
        *definitions,
    )  # fmt: skip
    call(options.cmake, "--build", build)
    for program in ("consumer", "consumer_asio", "consumer_cluster"):
        if (build / program).exists():
            call(build / program)


def build_with_pkg_config(options: argparse.Namespace, prefix: pathlib.Path) -> None:
    directory = prefix / "share" / "pkgconfig"
    environment = {**os.environ, "PKG_CONFIG_PATH": str(directory)}
    flags = call("pkg-config", "--cflags", "--libs", "corolock", env=environment).split()
    version = call("pkg-config", "--modversion", "corolock", env=environment).strip()
    if version != options.version:
        sys.exit(f"corolock.pc has version {version}, not {options.version}")
    program = options.scratch / "consumer"
    call(options.compiler, "-std=c++20", *FLAGS, HERE / "core.cpp", "-o", program, *flags)
    call(program)
    # The core needs neither exceptions nor run-time type information.
    lean = ["-fno-exceptions", "-fno-rtti", "-fsyntax-only"]
    call(options.compiler, "-std=c++20", *FLAGS, *lean, HERE / "core.cpp", *flags)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("way")
    for name in ("--source", "--build", "--scratch", "--cmake", "--compiler"):
        parser.add_argument(name, required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    options = parser.parse_args()

    shutil.rmtree(options.scratch, ignore_errors=True)
    options.scratch.mkdir(parents=True)
    if options.way == "find_package":
        prefix = install(options)
        build_with_cmake(options, f"-DCMAKE_PREFIX_PATH={prefix}")
    elif options.way == "pkg_config":
        build_with_pkg_config(options, install(options))
    else:
        build_with_cmake(options, f"-DCOROLOCK_SOURCE_DIR={options.source}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
