# Every target sets up what it needs, in a virtual environment of its own. Needed beforehand:
# Python 3.11 or later and a Rust toolchain.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The folder may have other files: only files of the names that are written are replaced.
DEMO ?= demo
SHOWN := $(DEMO)/jw09999001001_02101_00001_mirifushort
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)
PACKAGED := $(SOURCES) README.md LICENSE release/crates.py \
	$(shell find python -type f ! -name '*.py[cd]' ! -name '*.so')

.PHONY: demo picture test peers attack fuzz sanitize sanitize-python lint docs bench gate gate-baseline accuracy \
	wheel rehearsal urls release-check floors deny publish-dry-run clean

demo: $(VENV)/.installed
	$(BIN)/badpix-selfcal simulate $(DEMO) --detector MIRIFUSHORT --overwrite
	$(BIN)/badpix-selfcal run $(SHOWN)_spec2_asn.json --cut sigma \
		--output-dir $(DEMO)/flagged --overwrite
	$(BIN)/python examples/compare_with_truth.py $(DEMO)/jw09999_mirifushort_truth.fits \
		$(DEMO)/flagged/$(notdir $(SHOWN))_badpix_selfcal.fits

picture: $(VENV)/.test demo
	$(BIN)/python examples/before_after.py $(DEMO) docs/images/before_after.png
	$(BIN)/python examples/cuts.py $(DEMO) docs/images/cuts.png
	$(BIN)/badpix-selfcal run $(SHOWN)_spec2_asn.json --cut sigma --report \
		--output-dir $(DEMO)/reported --overwrite
	$(BIN)/python -m tests.report_picture $(DEMO)/reported/*_report.html docs/images/report.png
	$(BIN)/badpix-selfcal run $(SHOWN)_spec2_asn.json --cut sigma --save-mask \
		--output-dir $(DEMO)/flagged --overwrite
	$(BIN)/python examples/page.py $(DEMO) docs/images/page.png

# Many tests wait for processes and servers: two at a time take half as long.
test: $(VENV)/.test
	cargo test --quiet --all-features
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

# The tests that scipy and bottleneck ship, with the functions of this package in place of theirs.
peers: $(VENV)/.test
	$(BIN)/python -m tests.peers

# 100 is thorough, 1 is what `make test` runs, more is more.
ATTACK ?= 100

attack: $(VENV)/.test
	BADPIX_SELFCAL_ATTACK=$(ATTACK) $(BIN)/python -m pytest -s tests/attacks

# Minutes of all targets together. Those in Rust need `cargo install cargo-fuzz` and a nightly
# toolchain.
FUZZ ?= 60

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz --minutes $(FUZZ)

# The tests of the kernels with AddressSanitizer; needs a nightly toolchain. A test asks for more memory
# than there is.
SANITIZED := target/sanitize
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
LENIENT := allocator_may_return_null=1
SANITIZER := RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$(SANITIZED) \
	CARGO_PROFILE_DEV_DEBUG=0 ASAN_OPTIONS=$(LENIENT)

sanitize:
	$(SANITIZER) cargo +nightly test --target $(HOST) -p badpix-selfcal-kernels --lib --tests

# The same for the extension module, in a Python whose memory comes from malloc, so that NumPy's is
# watched, too. First, reading beyond an array must be noticed. The sanitizer keeps freed memory, hence
# no test of how little is used.
WATCHED ?= "tests/fuzz/test_fuzz.py::test_nothing_is_found_in_a_short_draw[kernels]" \
	tests/test_arrays.py tests/test_medians.py
WATCHING = LD_PRELOAD=$$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:$(LENIENT) \
	PYTHONMALLOC=malloc PYTHONPATH=$(SANITIZED)/python HYPOTHESIS_PROFILE=quick

sanitize-python: $(VENV)/.test
	$(SANITIZER) cargo +nightly build --target $(HOST) -p badpix-selfcal-python \
		--features pyo3/extension-module
	rm -rf $(SANITIZED)/python && mkdir $(SANITIZED)/python
	cp -r python/badpix_selfcal $(SANITIZED)/python/
	cp $(SANITIZED)/$(HOST)/debug/lib_kernels.so \
		$(SANITIZED)/python/badpix_selfcal/_kernels.abi3.so
	$(WATCHING) $(BIN)/python -m tests.fuzz.beyond 2>&1 | grep "AddressSanitizer: heap-buffer-overflow"
	$(WATCHING) $(BIN)/python -m pytest -p no:cacheprovider -k "not little_memory" $(WATCHED)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest badpix_selfcal._kernels
	cargo fmt --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/zizmor --offline --persona pedantic --quiet .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
		.github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config \
		.github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/sp-repo-review --show err .
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --all-features -p badpix-selfcal-kernels

# Does everything agree on a version? Tags it in a scratch clone of what is committed.
rehearsal: wheel
	$(BIN)/python -m release.rehearsal "$(VERSION)"

# Sets the owner of the project on GitHub in the addresses of all files.
OWNER ?= badpix-selfcal

urls:
	git grep -lIE 'github(usercontent)?\.(com|io)/' | xargs perl -pi \
		-e 's{(github(?:usercontent)?\.com/)[\w.-]+(?=/badpix-selfcal\b)}{$$1$(OWNER)}g;' \
		-e 's{[\w-]+(?=\.github\.io/badpix-selfcal\b)}{$(OWNER)}g'

# The site, in docs/_build/html.
docs: $(VENV)/.docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs auto docs docs/_build/html

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

# The instructions of the kernels, within 2 % of benchmarks/results/instructions.json, which
# gate-baseline renews. Needs valgrind on x86-64.
INSTRUCTIONS := $(or $(CARGO_TARGET_DIR),target)/release/examples/instructions

gate gate-baseline:
	cargo build --quiet --release -p badpix-selfcal-kernels --example instructions
	$(PYTHON) -m benchmarks.gate $(INSTRUCTIONS) $(if $(findstring baseline,$@),--renew)

accuracy: $(VENV)/.accuracy
	$(BIN)/python -m benchmarks.accuracy

# What is released, in dist/: the sdist, and a wheel made from it for every Python from 3.11 on. zig
# links it with an old glibc. Linux only.
wheel: dist/.built

dist/.built: $(VENV)/.release $(PACKAGED)
	rm -rf dist
	PATH="$(abspath $(BIN)):$$PATH" maturin build --release --sdist --locked --zig --strip \
		--compatibility manylinux2014 --interpreter $(BIN)/python --out dist
	$(BIN)/auditwheel show dist/*.whl | grep --line-regexp '"manylinux_2_17_.*"\.'
	$(BIN)/abi3audit --strict --summary dist/*.whl
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m release.crates dist/*.whl
	touch $@

# All tests with the wheel installed, without cargo and without the tree.
PYTHONS ?= 3.11 3.12 3.13

release-check: wheel
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m release.installed dist/*.whl $(PYTHONS)

# The tests with the lowest versions that pyproject.toml allows, without those that need jwst. The other
# extras must be installable.
floors: wheel
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 --all-extras \
		pyproject.toml --output-file /dev/null
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m release.installed dist/*.whl 3.11 --lowest

# `DENY=advisories` needs a network.
DENY ?= bans licenses sources

deny: $(VENV)/.release
	PATH="$(abspath $(BIN)):$$PATH" cargo deny --locked check $(DENY)

# The crate as crates.io would get it.
publish-dry-run:
	cargo publish --dry-run --locked -p badpix-selfcal-kernels

clean:
	rm -rf $(VENV) dist target

INSTALL := $(BIN)/uv pip install --python $(BIN)/python
EXTRAS := --requirements pyproject.toml --all-extras

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --upgrade pip uv
	touch $@

$(VENV)/.installed: $(VENV)/.pip $(SOURCES)
	@echo "Compiling the kernels takes about a minute."
	$(INSTALL) --reinstall-package badpix-selfcal --editable .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(INSTALL) --editable . $(EXTRAS) --group test
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(INSTALL) --editable . $(EXTRAS) --group test --group lint
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(INSTALL) --editable . $(EXTRAS) --group docs
	touch $@

$(VENV)/.release: $(VENV)/.pip pyproject.toml
	$(INSTALL) --group release
	touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(INSTALL) --editable . --group bench
	touch $@

$(VENV)/.accuracy: $(VENV)/.installed
	$(INSTALL) --editable . --group accuracy
	touch $@
