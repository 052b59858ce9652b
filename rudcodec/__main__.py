"""``python -m rudcodec`` does what ``rudcodec`` does."""

from rudcodec.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m rudcodec")
