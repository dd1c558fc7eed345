-- Which charges of a gateway, of those that are named, are no payment's: neither by the reference that they bear (the unique index on
-- references) nor by their name there (idx_payments_gateway_id).
SELECT charge.gateway_id
  FROM unnest(%(gateway_ids)s::text[], %(references)s::text[]) AS charge (gateway_id, reference)
 WHERE NOT EXISTS (SELECT FROM payments AS p WHERE p.reference = charge.reference)
   AND NOT EXISTS (SELECT FROM payments AS p WHERE p.gateway_id = charge.gateway_id AND p.gateway || '' = %(gateway)s)
