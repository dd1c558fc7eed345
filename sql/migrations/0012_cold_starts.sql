-- How long functions took to start: counts, since instances come and go and any of them may be asked for the figures.

CREATE TABLE cold_starts (
    function text NOT NULL,
    up_to double precision NOT NULL CHECK (up_to > 0),
    count bigint NOT NULL CHECK (count > 0),
    seconds double precision NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (function, up_to)
);

COMMENT ON TABLE cold_starts IS
    'Starts of each function: how many took at most up_to seconds (and more than the next smaller), and their sum.';
