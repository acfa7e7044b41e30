#!/bin/sh
# Part of `meson install`: DIRECTORY FROM TO, below the prefix and DESTDIR.
set -eu
mv "$MESON_INSTALL_DESTDIR_PREFIX/$1/$2" "$MESON_INSTALL_DESTDIR_PREFIX/$1/$3"
