//! What a virtual machine is made of: [`Image`]. QEMU comes from the machine's own release of Debian or
//! its backports, for it has to be new enough to have the cards; the kernel from the newest backports,
//! unpacked into a temporary folder and not installed. The system around it is busybox, the programs
//! tried, and the modules of network cards.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rig::tree::Tree;

use crate::Outcome;
use crate::run::Invocation;

/// The release whose backports have the kernel.
const KERNEL_FROM: &str = "trixie-backports";
/// QEMU has igb since.
const QEMU_MAJOR: u32 = 8;
/// Folders and files of modules that go along, below `kernel`.
const MODULES: &[&str] = &[
    "drivers/dca",
    "drivers/i2c/algos",
    "drivers/net/ethernet/intel/e1000",
    "drivers/net/ethernet/intel/e1000e",
    "drivers/net/ethernet/intel/igb",
    "drivers/net/ethernet/realtek",
    "drivers/net/mdio",
    "drivers/net/mii.ko.xz",
    "drivers/net/net_failover.ko.xz",
    "drivers/net/phy",
    "drivers/net/virtio_net.ko.xz",
    "drivers/net/vmxnet3",
    "drivers/pps",
    "drivers/ptp",
    "net/core",
];

/// The machine's first process: takes lines from the second serial port, and says how each ended. Once
/// it is there it says so, too: what is sent before is lost.
const INIT: &str = "\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
ip link set lo up
exec </dev/ttyS1 >/dev/ttyS1 2>&1
stty raw -echo
echo '=EXIT 0'
while read -r line; do eval \"$line\"; echo \"=EXIT $?\"; done
";

/// A kernel and its first file system, in a folder that goes with this.
pub struct Image {
    folder: Tree,
    pub version: String,
}

impl Image {
    /// With these programs in it.
    pub fn make(programs: &[&Path]) -> Outcome<Self> {
        let folder = Tree::new()?;
        let apt = Apt::new(&folder)?;
        apt.install()?;
        let modules = apt.kernel()?;
        let version = modules.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let image = Self { version: version.to_owned(), folder };
        fs::copy(apt.vmlinuz(&image.version)?, image.kernel())?;
        let root = image.folder.folder("root")?;
        for name in ["bin", "dev", "proc", "srv", "sys", "tmp", "run", "etc"] {
            fs::create_dir_all(root.join(name))?;
        }
        fs::write(root.join("etc/passwd"), "root::0:0:::\nnobody::65534:65534:::\n")?;
        fs::write(root.join("etc/group"), "root::0:\nnogroup::65534:\n")?;
        fs::write(root.join("init"), INIT)?;
        fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
        fs::write(root.join("srv/big"), super::checks::content())?;
        fs::write(root.join("srv/small"), "small\n")?;
        copy_program(&root, Path::new("/bin/busybox"))?;
        for program in programs {
            copy_program(&root, program)?;
        }
        copy_modules(&modules, &root.join("lib/modules").join(&image.version))?;
        let pack = "busybox depmod -b \"$1\" \"$2\" && cd \"$1\" && \
                    find . | busybox cpio -o -H newc > \"$3\"";
        let names = [root.display().to_string(), image.initrd().display().to_string()];
        let words = ["-ec", pack, "sh", &names[0], &image.version, &names[1]];
        Invocation::new("sh").arguments(&words).quietly()?;
        Ok(image)
    }

    pub fn kernel(&self) -> PathBuf {
        self.folder.root().join("vmlinuz")
    }

    pub fn initrd(&self) -> PathBuf {
        self.folder.root().join("initrd")
    }

    /// For what else a machine needs.
    pub fn folder(&self) -> &Path {
        self.folder.root()
    }
}

/// Debian's packages, by lists of its own beside the machine's.
struct Apt {
    folder: PathBuf,
    options: Vec<String>,
    /// The machine's release.
    release: String,
}

impl Apt {
    fn new(folder: &Tree) -> Outcome<Self> {
        let os = fs::read_to_string("/etc/os-release")?;
        let release = os.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        let release = release.ok_or("this is not Debian: its packages are needed")?.to_owned();
        if !rustix::process::geteuid().is_root() {
            return Err("needs root: for packages, namespaces and a TAP device".into());
        }
        let mut sources = String::new();
        for suite in [&release, &format!("{release}-backports"), KERNEL_FROM] {
            sources += &format!(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
                 http://deb.debian.org/debian {suite} main\n"
            );
        }
        let list = folder.file("apt/sources.list", sources)?;
        let lists = folder.folder("apt/lists/partial")?;
        let options = vec![
            format!("-oDir::Etc::sourcelist={}", list.display()),
            "-oDir::Etc::sourceparts=/dev/null".to_owned(),
            format!("-oDir::State::lists={}", lists.with_file_name("").display()),
            "-oAPT::Sandbox::User=root".to_owned(),
        ];
        let apt = Self { folder: folder.folder("apt/debs")?, options, release };
        apt.call("apt-get", &["update", "--quiet"])?;
        Ok(apt)
    }

    fn call(&self, program: &str, arguments: &[&str]) -> Outcome<String> {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        Invocation::new(program)
            .arguments(&options)
            .arguments(arguments)
            .variable("DEBIAN_FRONTEND", "noninteractive")
            .folder(&self.folder)
            .quietly()
    }

    /// Installs what runs on this machine.
    fn install(&self) -> Outcome {
        let version = Invocation::new("qemu-system-x86_64").arguments(&["--version"]).quietly();
        let major = version
            .ok()
            .and_then(|text| text.split("version ").nth(1)?.split('.').next()?.parse::<u32>().ok());
        let install = ["install", "--yes", "--no-install-recommends"];
        if major.is_none_or(|major| major < QEMU_MAJOR) {
            let from = ["-t", &format!("{}-backports", self.release), "qemu-system-x86"];
            self.call("apt-get", &[&install[..], &from].concat())?;
        }
        self.call("apt-get", &[&install[..], &["busybox-static", "curl", "iproute2"]].concat())?;
        Ok(())
    }

    /// Unpacks the kernel, and says where its modules are.
    fn kernel(&self) -> Outcome<PathBuf> {
        let depends = |package: &str, kinds: &[&str]| -> Outcome<Vec<String>> {
            let from = ["-t", KERNEL_FROM, "depends", package];
            let text = self.call("apt-cache", &from)?;
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
            let fits = |name: &&str| kinds.iter().any(|kind| name.starts_with(kind));
            Ok(names.filter(fits).map(str::to_owned).collect())
        };
        let mut packages = depends("linux-image-amd64", &["linux-image-"])?;
        let image = packages.first().ok_or("Debian has no kernel")?.clone();
        // Later ones have the kernel and its modules in packages of their own.
        packages.extend(depends(&image, &["linux-binary-", "linux-modules-"])?);
        let mut download = vec!["-t", KERNEL_FROM, "download"];
        download.extend(packages.iter().map(String::as_str));
        self.call("apt-get", &download)?;
        let unpack = "for package in *.deb; do dpkg-deb -x \"$package\" kernel; done";
        Invocation::new("sh").arguments(&["-ec", unpack]).folder(&self.folder).quietly()?;
        for place in ["usr/lib/modules", "lib/modules"] {
            let Ok(mut found) = fs::read_dir(self.folder.join("kernel").join(place)) else {
                continue;
            };
            if let Some(modules) = found.next() {
                return Ok(modules?.path());
            }
        }
        Err("the kernel's package has no modules".into())
    }

    fn vmlinuz(&self, version: &str) -> Outcome<PathBuf> {
        let kernel = self.folder.join("kernel");
        let places =
            [format!("usr/lib/modules/{version}/vmlinuz"), format!("boot/vmlinuz-{version}")];
        let found = places.iter().map(|place| kernel.join(place)).find(|path| path.exists());
        Ok(found.ok_or("the kernel's package has no kernel")?)
    }
}

/// Copies a program into its `bin`, and libraries to where it looks for them.
fn copy_program(root: &Path, program: &Path) -> Outcome {
    let name = program.file_name().ok_or("a program has a name")?;
    fs::copy(program, root.join("bin").join(name))?;
    // A static program has none, and is an error for ldd.
    let path = program.display().to_string();
    let libraries = Invocation::new("ldd").arguments(&[&path]).quietly().unwrap_or_default();
    for library in libraries.split_whitespace().filter(|word| word.starts_with("/lib")) {
        let to = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        fs::copy(library, to)?;
    }
    Ok(())
}

/// Copies modules, uncompressed.
fn copy_modules(from: &Path, to: &Path) -> Outcome {
    let (from, to) = (from.join("kernel"), to.join("kernel"));
    for module in MODULES {
        let (source, target) = (from.join(module), to.join(module));
        // Another kernel may have it built in.
        if !source.exists() {
            continue;
        }
        let folder = target.parent().unwrap_or(&to).display().to_string();
        fs::create_dir_all(&folder)?;
        let source = source.display().to_string();
        Invocation::new("cp").arguments(&["-r", &source, &folder]).quietly()?;
    }
    let unpack = "find \"$1\" -name '*.xz' | xargs busybox xz -d";
    let to = to.display().to_string();
    Invocation::new("sh").arguments(&["-ec", unpack, "sh", &to]).quietly().map(drop)
}
