//! Who is told when something announced will not hold.

use std::sync::Arc;

use super::webhook;
use crate::{files::Sources, problem::Report, reader::Section, snapshot::Webhook};

pub(super) fn read(
    file: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Arc<Webhook>> {
    let node = file.node("alarm")?;
    let alarm = Section::open(node, "alarm", file.path("alarm"), report);
    let section = alarm.section("webhook", "alarm.webhook", report);
    webhook::read(&section, "alarm.webhook.secret", sources, report)
}
