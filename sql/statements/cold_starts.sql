-- How long functions took to start: a dozen rows a function at most, in the order of the primary key.
SELECT function, up_to, count, seconds FROM cold_starts ORDER BY function, up_to
