//! What a share is taken of: what was paid, with or without its tax.

use super::*;

on_both_databases! {
    async fn the_base_is_what_was_paid_with_or_without_tax(world: World) {
        program(&world, "net", "--rate 10").await;
        program(&world, "paid", "--rate 10 --base amount-paid").await;
        claim(&world, "net", "cus_net", CLAIMED).await;
        claim(&world, "paid", "cus_paid", CLAIMED).await;
        let taxes = json!([{ "amount": 1_000 }, { "amount": 900 }]);
        for (row, amount_paid, fields, (net_base, net), (paid_base, paid)) in [
            // 119.00, of which 19.00 are tax, told in each of the ways of Stripe's versions
            ("excl", 11_900, json!({ "total_excluding_tax": 10_000 }), ("10000", "1000"), ("11900", "1190")),
            // The total without tax comes before the taxes, whatever these say.
            ("both", 11_900, json!({ "total_excluding_tax": 10_000, "total_taxes": [{ "amount": 1 }] }),
                ("10000", "1000"), ("11900", "1190")),
            ("new", 11_900, json!({ "total_excluding_tax": null, "total_taxes": taxes }),
                ("10000", "1000"), ("11900", "1190")),
            ("older", 11_900, json!({ "total_excluding_tax": null, "total_taxes": null, "total_tax_amounts": taxes }),
                ("10000", "1000"), ("11900", "1190")),
            ("new-first", 11_900, json!({ "total_excluding_tax": null, "total_taxes": taxes,
                "total_tax_amounts": [{ "amount": 1 }], "tax": 2 }), ("10000", "1000"), ("11900", "1190")),
            ("oldest", 11_900, json!({ "total_excluding_tax": null, "total_taxes": null, "tax": 1_900 }),
                ("10000", "1000"), ("11900", "1190")),
            ("older-first", 11_900, json!({ "total_excluding_tax": null, "total_taxes": null,
                "total_tax_amounts": taxes, "tax": 1 }), ("10000", "1000"), ("11900", "1190")),
            ("untold", 11_900, json!({ "total_excluding_tax": null, "total_taxes": null }),
                ("11900", "1190"), ("11900", "1190")),
            // 60.00 came from the customer's balance: ⌊5900 × 10000 / 11900⌋ = ⌊4957.98⌋, a tenth is 495.7.
            ("credit", 5_900, json!({ "total": 11_900, "total_excluding_tax": 10_000 }),
                ("4957", "496"), ("5900", "590")),
            // ⌊1 × 10000 / 11900⌋ = 0: one cent of tax.
            ("cent", 1, json!({ "total": 11_900, "total_excluding_tax": 10_000 }), ("0", "zero_amount"), ("1", "0")),
            // ⌊2 × 10000 / 11900⌋ = 1; 0.1 and 0.2
            ("cents", 2, json!({ "total": 11_900, "total_excluding_tax": 10_000 }), ("1", "0"), ("2", "0")),
            // More paid than due: the base is no more than the invoice's.
            ("over", 12_000, json!({ "total": 11_900, "total_excluding_tax": 10_000 }),
                ("10000", "1000"), ("12000", "1200")),
            ("over-told", 12_000, json!({ "total": 11_900, "total_excluding_tax": 10_000, "amount_remaining": -100 }),
                ("10000", "1000"), ("12000", "1200")),
            ("all-tax", 1_900, json!({ "total_excluding_tax": 0 }), ("0", "zero_amount"), ("1900", "190")),
            ("all-credit", 0, json!({ "total": 11_900, "total_excluding_tax": 10_000 }),
                ("0", "zero_amount"), ("0", "zero_amount")),
        ] {
            for (name, base, expected) in [("net", net_base, net), ("paid", paid_base, paid)] {
                let (invoice, customer) = (format!("in_{name}_{row}"), format!("cus_{name}"));
                let told = with(sale(&invoice, &customer, 11_900, PAID), json!({ "amount_paid": amount_paid }));
                let told = with(told, json!({ "total": amount_paid }));
                assert_eq!(sell(&world, &with(told, fields.clone())).await, expected, "{row} {name}");
                assert_eq!(shown(&world, "base", &invoice).await, base, "{row} {name}");
            }
        }
    }
}
