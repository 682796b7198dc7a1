//! A second catalogue beside the first one, of which nothing changes.

use std::path::Path;

use anyhow::{Context, Result};
use dragoman_core::{
    directory::{Edit, Files},
    recommend::Query,
};
use dragoman_data::{interactions::Interactions, shop::ShopConfig};
use dragoman_training::{
    config::Budget,
    control::Control,
    experts::{self, CatalogueAdded, CatalogueOutcome, CatalogueRequest, add_catalogue},
};

use super::shop::{copy, files, log, rankings, register};

/// Another shop with other things.
fn books() -> Interactions {
    let config = ShopConfig { seed: 2, items: 40, users: 80, ..ShopConfig::default() };
    let mut log = config.generate().log;
    log.items.iter_mut().for_each(|item| item.id = format!("book {}", item.id));
    log
}

fn request(work: &Path) -> CatalogueRequest {
    CatalogueRequest {
        name: "catalogue.books".into(),
        data: "another shop".into(),
        licence: "made up".into(),
        width: None,
        budget: Budget { steps: 24, minutes: 0.0 },
        learning_rate: 1e-2,
        max_drop: 100.0,
        keeps_seen: false,
        seed: 1,
        work: work.join("run"),
        quiet: true,
    }
}

fn add(model: &Path, work: &Path, control: &Control) -> Result<CatalogueOutcome> {
    Ok(add_catalogue(Edit::open(model)?, &request(work), &books(), control)?)
}

fn added(outcome: CatalogueOutcome) -> Result<CatalogueAdded> {
    match outcome {
        CatalogueOutcome::Added(added) => Ok(*added),
        CatalogueOutcome::Stopped(step) => anyhow::bail!("stopped at step {step}"),
    }
}

/// Scores of all books for some of their readers.
fn scores(model: &Path, name: &str) -> Result<Vec<Vec<f32>>> {
    let recommender = Files::Folder(model.into()).load_recommender_of(name)?;
    assert!(recommender.items().iter().all(|id| id.starts_with("book ")));
    let (books, popularity) = (books(), vec![0.0; recommender.items().len()]);
    let query =
        |history| Query { history, labels: &[], now: 2_000_000_000, popularity: &popularity };
    let queries: Vec<Query<'_>> =
        books.histories.iter().take(20).map(|history| query(history)).collect();
    let rankings = recommender.rank(&queries)?;
    for ranking in &rankings {
        let names: Vec<&str> = ranking.segments.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names.len(), names[4].split('.').next()), (5, Some("catalogue")));
    }
    Ok(rankings.into_iter().map(|ranking| ranking.scores).collect())
}

#[test]
fn it_stands_beside_the_first_one_whose_bits_and_files_stay() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let model = copy(dir.path())?;
    let (old_files, old_register, before) = (files(&model)?, register(&model)?, rankings(&model)?);
    let done = added(add(&model, dir.path(), &Control::default())?)?;
    assert_eq!((done.items, done.scores.len()), (40, 3), "{done:?}");

    let new_files = files(&model)?;
    for (path, content) in old_files.iter().filter(|(path, _)| !path.ends_with("experts.json")) {
        assert!(new_files.get(path) == Some(content), "{} is as it was", path.display());
    }
    let after = register(&model)?;
    for (file, digest) in &old_register.files {
        assert_eq!(after.files.get(file), Some(digest));
    }
    assert_eq!(rankings(&model)?, before, "the same bits of the first catalogue");
    let of_books = scores(&model, "books")?;
    assert!(of_books.iter().flatten().all(|score| score.is_finite()));
    assert_ne!(of_books[0], of_books[1]);
    let error = Files::Folder(model.clone()).load_recommender_of("films").err();
    let error = error.context("there are no films")?.to_string();
    assert!(error.contains("`films`") && error.contains("books"), "{error}");

    // A group of users of the first catalogue can still come.
    let group = experts::SegmentRequest {
        budget: Budget { steps: 4, minutes: 0.0 },
        max_drop: 100.0,
        quiet: true,
        ..experts::SegmentRequest::new("segment.lead", "events >= 30", dir.path().join("group"))
    };
    experts::add_segment(Edit::open(&model)?, &group, &log(), &Control::default())?;
    assert_eq!(scores(&model, "books")?, of_books);
    assert_ne!(rankings(&model)?, before);
    experts::remove(Edit::open(&model)?, "segment.lead")?;

    // Another name; an altered file is named; away with it, and all is as it was.
    experts::rename(Edit::open(&model)?, "catalogue.books", "catalogue.novels")?;
    assert_eq!(scores(&model, "novels")?, of_books);
    let files_of_novels = register(&model)?.files;
    let items =
        files_of_novels.keys().find(|file| file.contains("novels") && file.ends_with("items.json"));
    fs_err::write(model.join(items.context("it has items")?), "{}")?;
    let error = Files::Folder(model.clone()).load_recommender_of("novels").err();
    assert!(error.context("a file was altered")?.to_string().contains("items.json"));
    assert_eq!(rankings(&model)?, before);
    experts::remove(Edit::open(&model)?, "catalogue.novels")?;
    assert_eq!(register(&model)?, old_register);
    assert_eq!(files(&model)?, old_files);
    assert_eq!(fs_err::read_dir(model.join("catalogues"))?.count(), 0);
    Ok(())
}

#[test]
fn a_stop_leaves_the_model_whole_and_the_same_request_goes_on_bit_for_bit() -> Result<()> {
    let (whole, parts) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let [one, other] = [copy(whole.path())?, copy(parts.path())?];
    added(add(&one, whole.path(), &Control::default())?)?;
    let before = files(&other)?;
    let limited = Control::default().with_step_limit(13);
    assert_eq!(add(&other, parts.path(), &limited)?, CatalogueOutcome::Stopped(13));
    assert_eq!(files(&other)?, before);
    added(add(&other, parts.path(), &Control::default())?)?;
    assert_eq!(scores(&one, "books")?, scores(&other, "books")?);
    Ok(())
}

#[test]
fn what_does_no_good_or_has_no_events_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let model = copy(dir.path())?;
    let before = files(&model)?;
    let request = request(dir.path());
    let empty = Interactions { histories: Vec::new(), ..books() };
    for (request, log, part) in [
        (request.clone(), empty, "no events"),
        (CatalogueRequest { max_drop: -100.0, ..request.clone() }, books(), "does no good"),
        (
            CatalogueRequest { name: "catalogue.users".into(), ..request.clone() },
            books(),
            "`users`",
        ),
        (CatalogueRequest { name: "catalogue.default".into(), ..request }, books(), "`default`"),
    ] {
        let edit = Edit::open(&model)?;
        let error = add_catalogue(edit, &request, &log, &Control::default()).expect_err(part);
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert_eq!(files(&model)?, before, "{part}");
    }
    Ok(())
}
