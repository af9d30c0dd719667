//! The Services of a stage: one for traffic, and a headless one by which its gateways find each
//! other.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use millwright_crds::{
    LABEL_STAGE, ModelDeployment,
    wire::contract::{ADMIN_PORT, GATEWAY_PORT},
};

use super::{SERVING, names};
use crate::pod::inject::Owner;

/// Port of a stage's address.
const HTTP_PORT: i32 = 80;

/// Both Services of a stage.
pub(super) fn build(object: &ModelDeployment, stage: &str) -> [Service; 2] {
    let owner = Owner::of(object);
    let service = |name: String, spec: ServiceSpec| {
        let mut metadata = owner.child(name, SERVING);
        metadata
            .labels
            .get_or_insert_default()
            .insert(LABEL_STAGE.into(), stage.into());
        Service {
            metadata,
            spec: Some(ServiceSpec {
                selector: Some(names::selector(&owner, stage)),
                ..spec
            }),
            status: None,
        }
    };
    let admin = port("admin", i32::from(ADMIN_PORT), ADMIN_PORT);
    [
        service(
            names::stage(&owner.name, stage),
            ServiceSpec {
                ports: Some(vec![port("http", HTTP_PORT, GATEWAY_PORT), admin.clone()]),
                ..ServiceSpec::default()
            },
        ),
        service(
            names::peers(&owner.name, stage),
            ServiceSpec {
                cluster_ip: Some("None".into()),
                // Labels may come for predictions of a pod that isn't ready any more.
                publish_not_ready_addresses: Some(true),
                ports: Some(vec![admin]),
                ..ServiceSpec::default()
            },
        ),
    ]
}

fn port(name: &str, port: i32, target: u16) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port,
        target_port: Some(IntOrString::Int(i32::from(target))),
        ..ServicePort::default()
    }
}
