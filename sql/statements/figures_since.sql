-- From when on all that happened is in the figures; NULL: from the first payment on. One row.
SELECT nullif(max(since), '-infinity') AS since FROM figures_since
