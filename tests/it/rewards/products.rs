//! Rates of prices and products: a share of the base, mixed by what the lines sold.

use super::*;

/// A line of a price, a product and an amount, as one of Stripe's versions tells it.
type Shape = fn(&str, &str, i64) -> Value;

/// A line as it was until 2025-03-31.
fn older(price: &str, product: &str, amount: i64) -> Value {
    json!({ "amount": amount, "price": { "id": price, "object": "price", "product": product } })
}

/// A line since 2025-03-31.
fn newer(price: &str, product: &str, amount: i64) -> Value {
    json!({ "amount": amount, "pricing": { "type": "price_details",
        "price_details": { "price": price, "product": product } } })
}

fn lines(data: &[Value], has_more: bool) -> Value {
    json!({ "lines": { "object": "list", "data": data, "has_more": has_more } })
}

on_both_databases! {
    async fn products_mix_their_rates_by_what_the_lines_sold(world: World) {
        program(&world, "sold", "--rate 10 --product-rates price_a:20,prod_b:5,prod_zero:0").await;
        claim(&world, "sold", "cus_1", CLAIMED).await;
        for (row, (amount, data, expected)) in [
            // 30.00 at 20 % and 70.00 at 10 %: 6.00 + 7.00
            (10_000, vec![("price_a", "prod_x", 3_000), ("price_c", "prod_c", 7_000)], "1300"),
            // The same of half the base: the rest came from credit or a discount of the whole.
            (5_000, vec![("price_a", "prod_x", 3_000), ("price_c", "prod_c", 7_000)], "650"),
            // 20 %, 5 % and 10 % of a third each: 350 / 3 = 11.6667 % of 10 000
            (10_000, vec![("price_a", "prod_x", 50), ("price_y", "prod_b", 50), ("price_c", "prod_c", 50)], "1167"),
            // The price comes before its product, the product before the program.
            (10_000, vec![("price_a", "prod_b", 100)], "2000"),
            (10_000, vec![("price_y", "prod_b", 100)], "500"),
            (10_000, vec![("price_y", "prod_y", 100)], "1000"),
            (10_000, vec![("price_y", "prod_zero", 100)], "0"),
            // What gives back has no weight: 30.00 at 20 %, and not at a mixture with what was taken off.
            (3_000, vec![("price_a", "prod_x", 5_000), ("price_c", "prod_c", -2_000)], "600"),
            (3_000, vec![("price_a", "prod_x", -2_000), ("price_c", "prod_c", 5_000)], "300"),
            // No positive line: the program's rate.
            (10_000, vec![], "1000"),
            (10_000, vec![("price_a", "prod_x", 0)], "1000"),
            (10_000, vec![("price_a", "prod_x", -1), ("price_a", "prod_b", 0)], "1000"),
            // Half of it at nothing, half at 10 %: 5 % of 9 are 0.45, of 10 0.5, of 29 1.45, of 30 1.5.
            (9, vec![("price_y", "prod_zero", 1), ("price_c", "prod_c", 1)], "0"),
            (10, vec![("price_y", "prod_zero", 1), ("price_c", "prod_c", 1)], "1"),
            (29, vec![("price_y", "prod_zero", 1), ("price_c", "prod_c", 1)], "1"),
            (30, vec![("price_y", "prod_zero", 1), ("price_c", "prod_c", 1)], "2"),
            // Rounded once, not a line at a time: 3 × 1.25 (5 % of 25) are 3.75.
            (75, vec![("price_1", "prod_b", 25), ("price_2", "prod_b", 25), ("price_3", "prod_b", 25)], "4"),
            // The same price twice: (2 × 20 % + 10 %) / 3 = 16.667 % of 300
            (300, vec![("price_a", "prod_x", 100), ("price_a", "prod_x", 100), ("price_c", "prod_c", 100)], "50"),
        ].into_iter().enumerate() {
            let shapes: [(&str, Shape); 2] = [("older", older), ("newer", newer)];
            for (shape, line) in shapes {
                let data: Vec<Value> = data.iter().map(|(price, product, amount)| line(price, product, *amount)).collect();
                let invoice = format!("in_{shape}_{row}");
                let sold = with(sale(&invoice, "cus_1", amount, PAID), lines(&data, false));
                assert_eq!(sell(&world, &sold).await, expected, "{invoice}");
            }
        }
        assert_eq!(shown(&world, "rate_bps", "in_newer_0").await, "", "mixed rates are no rate");
        // An older event may name the product as an object, or have lines that sold no price.
        let expanded = json!({ "amount": 100, "price": { "id": "price_y", "product": { "id": "prod_b", "object": "product" } } });
        let bare = json!({ "amount": 100, "price": null, "pricing": null });
        // (5 % + 10 %) / 2 of 10 000
        let sold = with(sale("in_expanded", "cus_1", 10_000, PAID), lines(&[expanded, bare], false));
        assert_eq!(sell(&world, &sold).await, "750");
    }

    async fn the_base_the_tier_and_the_cap_are_those_of_the_program(world: World) {
        program(&world, "net", "--rate 10 --product-rates price_a:20 --tiers 2:15 --cap 1500 --currency usd").await;
        let half_and_half = lines(&[newer("price_a", "prod_x", 500), newer("price_c", "prod_c", 500)], false);
        for (customer, amount, net, expected) in [
            // (20 % + 10 %) / 2 of 100.00
            ("cus_1", 11_900, 10_000, "1500"),
            // (20 % + 15 %) / 2 = 17.5 % of 80.00 for the second referral, and of 100.00 at most 15.00
            ("cus_2", 9_520, 8_000, "1400"),
            ("cus_3", 11_900, 10_000, "1500"),
        ] {
            claim(&world, "net", customer, CLAIMED).await;
            let sold = with(sale(&customer.replace("cus", "in"), customer, amount, PAID), half_and_half.clone());
            let sold = with(sold, json!({ "total_excluding_tax": net }));
            assert_eq!(sell(&world, &sold).await, expected, "{customer}");
        }
    }

    async fn lines_that_the_event_does_not_show_flag_the_commission(world: World) {
        program(&world, "sold", "--rate 10 --product-rates price_a:20").await;
        claim(&world, "sold", "cus_1", CLAIMED).await;
        for (invoice, has_more, expected) in [("in_1", false, "false"), ("in_2", true, "true")] {
            let sold = with(sale(invoice, "cus_1", 10_000, PAID), lines(&[newer("price_a", "prod_x", 100)], has_more));
            assert_eq!(sell(&world, &sold).await, "2000", "by the lines at hand");
            assert_eq!(shown(&world, "unseen_lines", invoice).await, expected, "{invoice}");
        }
    }
}
