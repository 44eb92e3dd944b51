#!/bin/sh
# Builds the extension with AddressSanitizer and UndefinedBehaviorSanitizer into build/sanitize and runs the tests that give the C++ code
# hostile input. Usage: tests/sanitize.sh [pytest arguments]; PYTHON names the interpreter of an environment with the dev tools.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
site=$PWD/build/sanitize/site
rm -rf "$site"
"$python" -m pip install -q --no-build-isolation --no-deps --target "$site" . \
    -C build-dir=build/sanitize/cmake -C cmake.define.LACONIC_SANITIZE=ON -C install.strip=false
# An editable install of laconic in the same environment would come first, and so would the checkout that we stand in.
cat > "$site/sitecustomize.py" <<'PY'
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "ScikitBuild" not in type(finder).__name__]
PY
libasan=$(${CXX:-c++} -print-file-name=libasan.so)
libubsan=$(${CXX:-c++} -print-file-name=libubsan.so)
libstdcxx=$(${CXX:-c++} -print-file-name=libstdc++.so)
export LD_PRELOAD="$libasan $libubsan $libstdcxx" PYTHONPATH="$site" PYTHONSAFEPATH=1 LACONIC_SANITIZED=1 PYTHONMALLOC=malloc
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
"$python" -c "import laconic, laconic._core as core; print('sanitized:', core.__file__, core.best_isa()); assert 'sanitize' in core.__file__"
exec "$python" -m pytest -p no:cacheprovider "${@:-tests/hostile}"
