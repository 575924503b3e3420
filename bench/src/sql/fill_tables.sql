CREATE TABLE bench_card AS SELECT card_id, row_number() OVER (ORDER BY card_id) - 1 AS nth FROM card;
CREATE TABLE bench_terminal AS
    SELECT terminal_id, zone_id, row_number() OVER (ORDER BY terminal_id) - 1 AS nth FROM terminal;
ANALYZE bench_card, bench_terminal;
