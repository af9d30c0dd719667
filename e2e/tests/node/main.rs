//! Tests on a node, with real pods: the chart, the agent, and the flights example.

mod failures;
mod lifecycle;
mod loops;
mod object_store;
mod rollout;
mod story;
mod suspend;
mod traffic;
mod trainer;
mod world;

use std::sync::Arc;

use millwright_e2e::suite::{self, Test};

use world::World;

/// Scenarios side by side: more only take time from each other on two cores.
const SIDE_BY_SIDE: usize = 3;

fn main() {
    macro_rules! test {
        ($module:ident::$name:ident) => {
            Test::new(
                concat!(stringify!($module), "::", stringify!($name)),
                |world: Arc<World>| async move { $module::$name(&world).await },
            )
        };
    }
    // The longest first.
    let tests = vec![
        test!(loops::a_short_story_ends_with_a_better_model),
        test!(lifecycle::install_upgrade_uninstall),
        test!(loops::shuffled_times_start_no_run),
        test!(loops::without_labels_no_run_starts),
        test!(loops::a_worse_model_is_refused),
        test!(object_store::a_whole_loop_in_a_bucket),
        test!(rollout::a_model_that_never_gets_ready_costs_no_request),
        test!(suspend::a_run_shows_its_progress_and_goes_on_after_a_suspend),
        test!(suspend::a_suspend_waits_for_what_is_being_published),
        test!(failures::an_upload_fails_and_recovers),
        test!(failures::a_deleted_pod_is_replaced),
        test!(failures::out_of_memory),
        test!(failures::exit_code),
        test!(failures::wrong_image),
    ];
    suite::run(SIDE_BY_SIDE, World::default(), tests)
}
