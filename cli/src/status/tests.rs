//! Pictures of whole namespaces.

use jiff::tz::TimeZone;

use super::{View, changes, render};
use crate::{
    kind::Kind,
    objects::Objects,
    terminal::Glyphs,
    testdata::{self, LOOP, TROUBLE},
    text::Line,
};

fn view(glyphs: Glyphs) -> View<'static> {
    View {
        namespace: "flights",
        now: testdata::now(),
        zone: TimeZone::UTC,
        glyphs,
    }
}

fn picture(objects: &Objects, glyphs: Glyphs) -> String {
    let lines = render::lines(objects, &view(glyphs));
    let text: Vec<_> = lines.iter().map(Line::plain).collect();
    text.join("\n")
}

#[test]
fn a_loop() {
    insta::assert_snapshot!(picture(&testdata::objects(LOOP), Glyphs::UNICODE));
}

#[test]
fn a_loop_in_ascii() {
    let text = picture(&testdata::objects(LOOP), Glyphs::ASCII);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn trouble() {
    insta::assert_snapshot!(picture(&testdata::objects(TROUBLE), Glyphs::UNICODE));
}

#[test]
fn an_empty_namespace() {
    insta::assert_snapshot!(picture(&Objects::default(), Glyphs::UNICODE));
}

/// Every object alone, and each without a status: what a namespace looks like while it is set up.
#[test]
fn any_part_of_a_namespace_can_be_drawn() {
    for yaml in [LOOP, TROUBLE] {
        for (kind, mut object) in testdata::read(yaml) {
            for _ in 0..2 {
                let mut objects = Objects::default();
                objects.insert(kind, object.clone());
                let name = object.metadata.name.clone().unwrap();
                let text = picture(&objects, Glyphs::UNICODE);
                // Of a Model and an old version, the loop's title is all there is to say.
                assert!(
                    text.contains(name.trim_end_matches("-v1")),
                    "{kind} {name}:\n{text}"
                );
                object.data.as_object_mut().unwrap().remove("status");
            }
        }
    }
}

#[test]
fn objects_that_cannot_be_read_do_not_hide_the_others() {
    let mut objects = testdata::objects(LOOP);
    let (_, mut newer) = testdata::read(LOOP).remove(0);
    newer.data["spec"] = serde_json::json!({"source": 7});
    objects.insert(Kind::Dataset, newer);
    let text = picture(&objects, Glyphs::UNICODE);
    assert!(
        text.contains("can't be read by this version of the plugin: Dataset flights"),
        "{text}"
    );
    assert!(text.contains("17,842 rows"), "{text}");
}

#[test]
fn only_what_changed_is_appended() {
    let view = view(Glyphs::ASCII);
    let before = changes::facts(&testdata::objects(LOOP), &view);
    let later = View {
        now: testdata::now() + jiff::SignedDuration::from_hours(1),
        ..view.clone()
    };
    let same = changes::facts(&testdata::objects(LOOP), &later);
    assert_eq!(changes::between(&before, &same), Vec::<String>::new());

    let mut objects = testdata::objects(LOOP);
    objects
        .deployments
        .retain(|deployment| deployment.metadata.name.as_deref() != Some("flights-baseline"));
    let policy = objects.policies[0].status.as_mut().unwrap();
    policy.triggers[0].value = Some(9.9);
    let after = changes::facts(&objects, &view);
    insta::assert_snapshot!(changes::between(&before, &after).join("\n"));
}
