"""Reports: what files are worth beside real images at equal bytes, as a table, a picture, a page."""

from rudcodec.report.judged import JudgedFile
from rudcodec.report.ledger import Ledger
from rudcodec.report.points import Point
from rudcodec.report.table import as_tsv

__all__ = ["JudgedFile", "Ledger", "Point", "as_tsv"]
