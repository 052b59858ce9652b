"""``python -m rudcodec.cli`` does what ``rudcodec`` does."""

from .main import main

if __name__ == "__main__":
    main()
