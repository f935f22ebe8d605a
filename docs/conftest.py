"""What pytest reads in docs/: the Markdown pages, as doctests. The gallery runs in `make docs`."""

collect_ignore_glob = ["*.py", "gallery/*", "auto_gallery/*", "api/*", "_build/*"]
