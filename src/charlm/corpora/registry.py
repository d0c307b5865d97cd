"""The named corpora: what each is, its license, and where it comes from."""

import platform
from typing import NamedTuple

from charlm.corpora import builders
from charlm.corpora.archive import by_hash
from charlm.corpora.builders import Crawled, FromArchive, FromUrl, Generated


class Source(NamedTuple):
    """A named corpus."""

    about: str
    license: str
    file: str  # its place below a data folder
    origin: FromUrl | FromArchive | Generated | Crawled
    rule: str = ""  # by which it is made of its origin
    size: int = 0  # bytes; 0 if they are not known beforehand
    sha256: str = ""  # likewise


KARPATHY = "https://cs.stanford.edu/people/karpathy/char-rnn"
STACKS_COMMIT = "4ac4815d5a00dc2eacab7824cf4e4baafe2773ac"
NLTK_COMMIT = "5db857e6f7df11eabb5e5665836db9ec8df07e28"
LINUX = FromArchive(
    file="linux/linux-4.0.tar.xz",
    url="https://cdn.kernel.org/pub/linux/kernel/v4.x/linux-4.0.tar.xz",
    # As Arch Linux and OpenEmbedded have it.
    sha256="0f2f7d44979bc8f71c4fc5d3308c03499c26a824dd311fdf6eef4dee0d7d5991",
    keep=builders.is_c,
    sort_key=by_hash,
    max_bytes=4_000_000_000,  # later releases are larger
)

SOURCES = {
    "hello": Source(
        about="the word hello, over and over: the post's own example",
        license="public domain",
        file="hello/hello.txt",
        origin=Generated(lambda target: target.write_bytes(b"hello" * 200)),
        rule="hello, 200 times",
        size=1_000,
    ),
    "python_stdlib": Source(
        about="the sources of the running Python's standard library, without tests",
        license="PSF-2.0",
        file=f"python_stdlib/python-{platform.python_version()}.txt",
        origin=Generated(builders.write_python_stdlib),
        rule="every .py but tests, in the order of the SHA-256 of its path",
    ),
    "tiny_shakespeare": Source(
        about="40,000 lines of Shakespeare, as in char-rnn and nanoGPT",
        license="public domain",
        file="shakespeare/tinyshakespeare.txt",
        origin=FromUrl(
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
            "tinyshakespeare/input.txt"
        ),
        size=1_115_394,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "shakespeare": Source(
        about="Shakespeare's plays, all 37, as the post has them",
        license="public domain",
        file="shakespeare/shakespeare_input.txt",
        origin=FromUrl(f"{KARPATHY}/shakespeare_input.txt"),
        size=4_573_338,
        sha256="59a0ad62833b2e15ec811c548618876359e902717431236e52699a0e2bc253ca",
    ),
    "war_and_peace": Source(
        about="Tolstoy's War and Peace in English, as the post has it",
        license="public domain",
        file="warpeace/warpeace_input.txt",
        origin=FromUrl(f"{KARPATHY}/warpeace_input.txt"),
        size=3_258_246,
        sha256="fb66ba999dafe24017cdd59e04c56d385a9c8466993d374fd4c6f08b2142985e",
    ),
    "paul_graham": Source(
        about="Paul Graham's essays",
        license="copyright Paul Graham, all rights reserved: for experiments of your"
        " own, not to be passed on",
        file="paul_graham/essays.txt",
        origin=Crawled("http://www.paulgraham.com/articles.html"),
        rule="the text of every essay that the site has on that day, in its index's"
        " order",
    ),
    "wikipedia": Source(
        about="enwik8, the first 100,000,000 bytes of the English Wikipedia of 2006",
        license="GFDL and CC BY-SA",
        file="wikipedia/enwik8",
        origin=FromArchive(
            file="wikipedia/enwik8.zip",
            url="http://mattmahoney.net/dc/enwik8.zip",
            sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
            keep=lambda name: name == "enwik8",
        ),
        rule="the archive's one file",
        size=100_000_000,
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
    ),
    "wikipedia_prefix": Source(
        about=f"the first {builders.PREFIX_BYTES:,} bytes of enwik8",
        license="GFDL and CC BY-SA",
        file="wikipedia/enwik8_prefix.xml",
        origin=Generated(builders.cut_prefix, corpus="wikipedia"),
        rule="its first bytes",
        size=builders.PREFIX_BYTES,
        sha256="d502ac7ecb9dd47a062e7d19b8dcd3c753b07c142e48b13dcd521cb747116bdd",
    ),
    "latex": Source(
        about="the Stacks project, a book of algebraic geometry, in LaTeX",
        license="GFDL 1.2",
        file="latex/stacks.tex",
        origin=FromArchive(
            file=f"latex/stacks-project-{STACKS_COMMIT}.tar.gz",
            url=f"https://github.com/stacks/stacks-project/archive/{STACKS_COMMIT}.tar.gz",
            keep=lambda name: name.endswith(".tex") and name.count("/") == 1,
        ),
        rule="every .tex of the project's top folder, by name",
        size=27_680_851,
        sha256="0820b5a06771fd748f3ae8b85bd7448dc4869117f70b360a0c3f885975f7c1aa",
    ),
    # Without a size and checksum of its own: none is published, and it is made of an
    # archive that has them, and whose xz checksums are checked besides.
    "linux": Source(
        about="the C of Linux 4.0",
        license="GPL-2.0",
        file="linux/linux-4.0.txt",
        origin=LINUX,
        rule="every .c and .h, in the order of the SHA-256 of its path",
    ),
    "linux_kernel": Source(
        about="the C of the folder kernel/ of Linux 4.0",
        license="GPL-2.0",
        file="linux/kernel-4.0.txt",
        origin=LINUX._replace(keep=builders.is_c_of_kernel),
        rule="every .c and .h below kernel/, in the order of the SHA-256 of its path",
    ),
    "linux_kernel_6.1": Source(
        about="the C of the folder kernel/ of Debian's Linux 6.1.192-2",
        license="GPL-2.0",
        file="linux/kernel.txt",
        origin=FromArchive(
            file="linux/linux-source-6.1.tar.xz",
            keep=builders.is_c_of_kernel,
            max_bytes=4_000_000_000,
        ),
        rule="every .c and .h below kernel/, by path, of the linux-source-6.1.tar.xz in"
        " Debian's package linux-source-6.1",
        size=11_680_716,
        sha256="63155e8af3ba9ae059a9031e8f424179818a9a83287ce60ac0df6e10aacf52c7",
    ),
    "names_list": Source(
        about="the post's list of 8,000 names as it is, 366 of them twice",
        license="free with credit to Mark Kantrowitz; to be passed on with its README",
        file="names/kantrowitz.txt",
        origin=FromArchive(
            file="names/names.zip",
            url="https://raw.githubusercontent.com/nltk/nltk_data/"
            f"{NLTK_COMMIT}/packages/corpora/names.zip",
            keep=lambda name: name in ("names/male.txt", "names/female.txt"),
            sort_key=lambda name: b"1" if name == "names/male.txt" else b"2",
            postprocess=builders.drop_blank_lines,
        ),
        rule="male.txt, then female.txt, without blank lines and spaces at the ends",
        size=55_868,
        sha256="b616634a6bfc46ca45bd3da54d8d1f08b3db7e0e5d3523d72432984ea8311f25",
    ),
    "names": Source(
        about="the 7,578 distinct names of that list",
        license="free with credit to Mark Kantrowitz; to be passed on with its README",
        file="names/distinct.txt",
        origin=Generated(builders.shuffle_names, corpus="names_list"),
        rule="each name once, a line each, in the order of its SHA-256",
        size=53_605,
        sha256="9856c503d2a1c886de87d26172af286ba8bd60e3db7213cfd0702aa59d0d230b",
    ),
}
