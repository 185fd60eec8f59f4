INSERT INTO program (key, created_at) VALUES (?, ?)
INSERT INTO program_version (program_key, version, valid_from, active, rate_bps, flat_minor, commission_base, exclude_shipping, currency, one_time, limit_months, limit_invoices, tiers, tiers_by, product_rates, caps, min_invoices, min_payouts, new_customers_only, max_rewards_per_promoter, conversion_window_days, hold_days) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
INSERT INTO promoter (id, user_id, email, created_at) VALUES (?, ?, ?, ?)
INSERT INTO promoter_email (promoter_id, email, known_since) VALUES (?, ?, ?) ON CONFLICT (promoter_id, email) DO NOTHING
UPDATE promoter SET email = ? WHERE id = ?
INSERT INTO code (key, code, promoter_id, program_key, made_at, max_uses, uses) VALUES (?, ?, ?, ?, ?, ?, ?)
INSERT INTO code_version (code_key, version, valid_from, active, expires_at) VALUES (?, ?, ?, ?, ?)
INSERT INTO promotion_code (id, code_key) VALUES (?, ?)
UPDATE code SET uses = ? WHERE key = ?
UPDATE code SET max_uses = ? WHERE key = ?
UPDATE event SET outcome = ?, reason = ?, waits_for = ? WHERE id = ? AND api_version = ?
<<<<<<< HEAD
INSERT INTO event (number, id, api_version, event_type, created_at, received_at, outcome, reason, waits_for, body_sha256, body_zstd, lookups, lookup_at, has_payload, passed_over) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
=======
INSERT INTO event (id, api_version, event_type, created_at, received_at, outcome, reason, waits_for, body_sha256, body_dictionary, body_zstd, lookups, lookup_at, has_payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
>>>>>>> dict
INSERT INTO invoice (id, event_id, api_version, stripe_customer_id, currency, amount_paid_minor, total_minor, total_excluding_tax_minor, tax_minor, shipping_minor, shipping_tax_minor, paid_at, conflict, lines, more_lines, lines_read) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id, api_version = excluded.api_version, stripe_customer_id = excluded.stripe_customer_id, currency = excluded.currency, amount_paid_minor = excluded.amount_paid_minor, total_minor = excluded.total_minor, total_excluding_tax_minor = excluded.total_excluding_tax_minor, tax_minor = excluded.tax_minor, shipping_minor = excluded.shipping_minor, shipping_tax_minor = excluded.shipping_tax_minor, paid_at = excluded.paid_at, conflict = excluded.conflict, lines = excluded.lines, more_lines = excluded.more_lines, lines_read = excluded.lines_read
INSERT INTO unread_discounts (invoice_id, event_id, stripe_customer_id, told_at, lookups, lookup_at, is_read) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (invoice_id, event_id) DO NOTHING
INSERT INTO payment (id, payment_intent, captured_minor, amount_refunded_minor, released_minor, released_captured_minor, no_invoice) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET payment_intent = excluded.payment_intent, captured_minor = excluded.captured_minor, amount_refunded_minor = excluded.amount_refunded_minor, released_minor = excluded.released_minor, released_captured_minor = excluded.released_captured_minor, no_invoice = excluded.no_invoice
INSERT INTO payment_link (invoice_id, payment_id, amount_minor) VALUES (?, ?, ?) ON CONFLICT (invoice_id, payment_id) DO UPDATE SET amount_minor = excluded.amount_minor
INSERT INTO refund (id, payment_id, amount_minor, state, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET payment_id = excluded.payment_id, amount_minor = excluded.amount_minor, state = excluded.state, created_at = excluded.created_at
INSERT INTO dispute (id, payment_id, amount_minor, currency, state, closed_at, transactions) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET payment_id = excluded.payment_id, amount_minor = excluded.amount_minor, currency = excluded.currency, state = excluded.state, closed_at = excluded.closed_at, transactions = excluded.transactions
INSERT INTO credit_note (id, invoice_id, amount_minor, void) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET invoice_id = excluded.invoice_id, amount_minor = excluded.amount_minor, void = excluded.void
INSERT INTO stripe_customer (id, user_id, alias_of) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, alias_of = excluded.alias_of
INSERT INTO customer_email (customer, email_hash, told_by) VALUES (?, ?, ?) ON CONFLICT (customer, email_hash) DO NOTHING
INSERT INTO subscription (stripe_customer_id, id, ended) VALUES (?, ?, ?) ON CONFLICT (stripe_customer_id, id) DO UPDATE SET ended = excluded.ended
INSERT INTO claim (id, stripe_customer_id, user_id, code, code_key, precedence, claimed_at, moved_at, lookback_s, invitation_method) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
INSERT INTO claim_used_up (claim_id) VALUES (?)
INSERT INTO review (id, customer, promoter_id, decision, reviewed_at, reviewed_by, reason, covers_user, covers_email) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
INSERT INTO redemption (customer, code_key) VALUES (?, ?)
INSERT INTO referral_number (customer, promoter_id, program_key, number) VALUES (?, ?, ?, ?)
INSERT INTO referral_counter (promoter_id, program_key, last) VALUES (?, ?, ?) ON CONFLICT (promoter_id, program_key) DO UPDATE SET last = excluded.last
UPDATE referral SET customer = ?, merged_into = ? WHERE id = ?
INSERT INTO referral (id, customer, merged_into, claim_id, precedence, code, promoter_id, program_key, program_version, claimed_at, lookback_s, referral_number, void, held, qualified_at, qualified_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, merged_into = excluded.merged_into, claim_id = excluded.claim_id, precedence = excluded.precedence, code = excluded.code, promoter_id = excluded.promoter_id, program_key = excluded.program_key, program_version = excluded.program_version, claimed_at = excluded.claimed_at, lookback_s = excluded.lookback_s, referral_number = excluded.referral_number, void = excluded.void, held = excluded.held, qualified_at = excluded.qualified_at, qualified_by = excluded.qualified_by
INSERT INTO commission (invoice_id, referral_id, promoter_id, program_key, currency, base_minor, rate_bps, amount_minor, refund_minor, dispute_minor, available_at, reason, unseen_lines) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (invoice_id) DO UPDATE SET referral_id = excluded.referral_id, promoter_id = excluded.promoter_id, program_key = excluded.program_key, currency = excluded.currency, base_minor = excluded.base_minor, rate_bps = excluded.rate_bps, amount_minor = excluded.amount_minor, refund_minor = excluded.refund_minor, dispute_minor = excluded.dispute_minor, available_at = excluded.available_at, reason = excluded.reason, unseen_lines = excluded.unseen_lines
INSERT INTO ledger_entry (id, promoter_id, invoice_id, kind, amount_minor, currency, available_at, cause_kind, cause_id, posted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
UPDATE ledger_head SET seq = ?, writer = ?, last_entry_id = ?, last_event_number = ?, last_posted_at = ? WHERE id = ?
