# SPDX-License-Identifier: BSL-1.0
#
# Everything installed is independent of the architecture, so it goes to share/. The core and the
# Asio front end are two export sets: find_package(corolock) looks for Boost only when COMPONENTS
# names asio.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(corolock_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/corolock")
set(corolock_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(TARGETS corolock EXPORT corolock-targets FILE_SET HEADERS)
install(TARGETS corolock_asio EXPORT corolock-asio-targets FILE_SET HEADERS)
foreach(set IN ITEMS corolock-targets corolock-asio-targets)
  install(EXPORT ${set} NAMESPACE corolock:: DESTINATION "${corolock_package_dir}")
endforeach()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/corolock-config.cmake.in"
  "${PROJECT_BINARY_DIR}/corolock-config.cmake"
  INSTALL_DESTINATION "${corolock_package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/corolock-config-version.cmake"
  VERSION "${PROJECT_VERSION}"
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES
  "${PROJECT_BINARY_DIR}/corolock-config.cmake"
  "${PROJECT_BINARY_DIR}/corolock-config-version.cmake"
  DESTINATION "${corolock_package_dir}")

# The paths in corolock.pc are relative to the file itself, so an installed tree may be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR
  BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${corolock_pkgconfig_dir}"
  OUTPUT_VARIABLE corolock_pc_include)
configure_file(
  "${PROJECT_SOURCE_DIR}/cmake/corolock.pc.in" "${PROJECT_BINARY_DIR}/corolock.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/corolock.pc" DESTINATION "${corolock_pkgconfig_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
