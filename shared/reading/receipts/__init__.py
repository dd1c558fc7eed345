"""Receipts: what was charged for a ride, as JSON, as a page and as a PDF.

    receipt = read_receipt(database, settings, payment_id, trace)    # .receipt: raises Problem where there is none
    json_receipt(receipt, settings)                                  # .written: JSON text
    html_receipt(receipt, settings, headers)                         # .page: an Answer
    pdf_receipt(receipt, settings, headers)                          # .pdf: an Answer

Page and PDF say the same, which `sheet` words. Import `page` and `pdf` where one is asked for: each brings libraries that no
start is to wait for.
"""
