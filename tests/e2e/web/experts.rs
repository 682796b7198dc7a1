//! The experts view.

use anyhow::{Result, ensure};
use dragoman_e2e::browser::Screen::Desktop;
use serde_json::json;

use super::visit;

#[tokio::test]
async fn each_token_has_the_colour_of_its_expert() -> Result<()> {
    visit("each_token_has_the_colour_of_its_expert", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.eval("document.getElementById('trace-toggle').click()").await?;
        page.until("return document.querySelectorAll('.token').length > 0").await?;

        // The pieces of the right side, put together word by word, are the translation.
        let spoken = "return [...document.querySelectorAll('[data-side=target] .word')]
            .map((word) => [...word.querySelectorAll('.text')]
                .map((text) => text.textContent).join('')).join(' ').replaceAll('␣', '')";
        let spoken = page.eval(spoken).await?;
        ensure!(spoken == json!("Guten Morgen."), "the tokens say {spoken}");

        // Tokens of one expert share a colour, and those of others have another.
        let colours = "const seen = {};
            for (const token of document.querySelectorAll('.token[data-expert]')) {
                const colour = getComputedStyle(token).backgroundColor;
                (seen[token.dataset.expert] ??= new Set()).add(colour);
            }
            const sets = Object.values(seen);
            const all = new Set(sets.flatMap((set) => [...set]));
            return [sets.length, all.size, sets.every((set) => set.size === 1)]";
        let colours = page.eval(colours).await?;
        ensure!(colours[0] == colours[1] && colours[2] == json!(true), "colours: {colours}");

        // The legend's shares add up to one, but for rounding.
        let shares = "return [...document.querySelectorAll('.legend .share')]
            .reduce((sum, share) => sum + parseInt(share.textContent), 0)";
        let shares = page.eval(shares).await?.as_i64().unwrap_or_default();
        ensure!((95..=105).contains(&shares), "the shares add up to {shares} %");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_token_tells_its_weights_and_a_layer_can_be_chosen() -> Result<()> {
    visit("a_token_tells_its_weights_and_a_layer_can_be_chosen", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.eval("document.getElementById('trace-toggle').click()").await?;
        page.until("return document.querySelectorAll('.token').length > 0").await?;

        page.eval("document.querySelector('[data-side=source] .token').focus()").await?;
        page.until("return document.querySelectorAll('.weights tr').length > 0").await?;
        page.client.active_element().await?.send_keys("\u{E014}").await?; // the right arrow
        let second = "return document.activeElement ===
            document.querySelectorAll('[data-side=source] .token')[1]";
        ensure!(page.eval(second).await? == json!(true), "the arrow does not walk");

        let layer = page.eval("return document.getElementById('layer-source').options[1].value");
        let layer = layer.await?;
        let layer = layer.as_str().unwrap_or_default().to_owned();
        ensure!(layer.starts_with("encoder."), "the first layer is {layer:?}");
        page.choose("layer-source", &layer).await?;
        let chosen = page.eval("return document.getElementById('layer-source').value").await?;
        ensure!(chosen == json!(layer), "{chosen} is chosen");
        Ok(())
    })
    .await
}
