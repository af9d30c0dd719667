//! Writes the CRDs to a folder, one file per kind: `generate-crds charts/millwright/files/crds`.

use std::{error::Error, path::Path};

use millwright_crds::generate;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: generate-crds FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    for crd in generate::crds() {
        let name = crd.metadata.name.as_deref().unwrap_or_default().to_owned();
        let yaml = serde_saphyr::to_string(&generate::polished(&crd)?)?;
        let file = Path::new(&folder).join(format!("{name}.yaml"));
        std::fs::write(
            &file,
            format!("# Generated from the crds crate: `make generate`.\n{yaml}"),
        )?;
    }
    Ok(())
}
