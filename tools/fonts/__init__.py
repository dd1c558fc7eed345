"""The fonts of receipts as PDF, from their npm packages."""
