"""Tomcat, laid out as in upstream's image, on a headless Java; its page says that it is there."""

from collections.abc import Iterator
from pathlib import Path

from fairlead.runtime.images import packages
from fairlead.runtime.images.recipe import Copy, Recipe

HOME = "/usr/local/tomcat"
JARS, SCRIPTS = Path("/usr/share/java"), "/usr/share/tomcat10/bin"
LEFT_OUT = ("-i18n-", "-ha-", "-tribes-", "-storeconfig-", "-catalina-ant-", "-jdbc-", "-juli-")
JAVA_LEFT_OUT = ("ct.sym", "classes_nocoops.jsa")

SERVER = """\
<?xml version="1.0" encoding="UTF-8"?>
<Server port="-1">
  <Service name="Catalina">
    <Connector port="8080" protocol="HTTP/1.1" connectionTimeout="20000"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps" unpackWARs="true" autoDeploy="true"/>
    </Engine>
  </Service>
</Server>
"""
# Nobody looks for tag libraries in Tomcat's own archives: that is half of its start.
CONTEXT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Context>
  <JarScanner scanClassPath="false" scanBootstrapClassPath="false"/>
  <WatchedResource>WEB-INF/web.xml</WatchedResource>
</Context>
"""
MIMES = {
    "css": "text/css", "gif": "image/gif", "html": "text/html", "ico": "image/x-icon", "jpg": "image/jpeg",
    "js": "text/javascript", "json": "application/json", "pdf": "application/pdf", "png": "image/png",
    "svg": "image/svg+xml", "txt": "text/plain", "xml": "application/xml",
}  # fmt: skip


def _servlet(name: str, class_: str, order: int, *patterns: str) -> str:
    mapped = "".join(f"<url-pattern>{pattern}</url-pattern>" for pattern in patterns)
    return (
        f"  <servlet><servlet-name>{name}</servlet-name><servlet-class>{class_}</servlet-class>"
        f"<load-on-startup>{order}</load-on-startup></servlet>\n"
        f"  <servlet-mapping><servlet-name>{name}</servlet-name>{mapped}</servlet-mapping>\n"
    )


WEB = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0">\n'
    + _servlet("default", "org.apache.catalina.servlets.DefaultServlet", 1, "/")
    + _servlet("jsp", "org.apache.jasper.servlet.JspServlet", 3, "*.jsp", "*.jspx")
    + "".join(
        f"  <mime-mapping><extension>{end}</extension><mime-type>{kind}</mime-type></mime-mapping>\n"
        for end, kind in MIMES.items()
    )
    + "  <welcome-file-list><welcome-file>index.html</welcome-file><welcome-file>index.jsp</welcome-file>"
    "</welcome-file-list>\n</web-app>\n"
)
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>Apache Tomcat</title>
<style>
    body { width: 45em; margin: 2em auto; font-family: Tahoma, Verdana, Arial, sans-serif; }
    h2 { background: #3a7; color: #fff; padding: 0.5em 1em; }
</style>
</head>
<body>
<h1>Apache Tomcat</h1>
<h2>If you're seeing this, you've successfully installed Tomcat. Congratulations!</h2>
<p>This is the default home page of Tomcat. It is <code>webapps/ROOT/index.html</code> in
<code>/usr/local/tomcat</code>.</p>
<p>Documentation: <a href="https://tomcat.apache.org/">tomcat.apache.org</a></p>
</body>
</html>
"""


def _java() -> str:
    """The package of the Java that this machine prefers."""
    return next(iter(packages.dependencies("default-jre-headless")), "")


def _home() -> str:
    """The folder of the Java that the package brought."""
    found = [path for path in packages.files([_java()]) if path.endswith("/bin/java")]
    return found[0].removesuffix("/bin/java") if found else ""


def _copies() -> Iterator[Copy]:
    for path in sorted(JARS.glob("tomcat10-*-1*.jar")):
        if not any(part in path.name for part in LEFT_OUT):
            yield str(path), f"{HOME}/lib/{path.name}"
    for path in sorted(JARS.glob("eclipse-jdt-core-*.jar")):
        yield str(path), f"{HOME}/lib/{path.name}"
    for name in ("bootstrap.jar", "catalina.sh", "setclasspath.sh"):
        yield f"{SCRIPTS}/{name}", f"{HOME}/bin/{name}"
    yield str(JARS / "tomcat10-juli.jar"), f"{HOME}/bin/tomcat-juli.jar"
    home = _home()
    for file in packages.files([_java()]):
        if file.startswith((home, "/etc")) and not file.endswith(JAVA_LEFT_OUT):
            yield file, file


def _facts() -> Iterator[str]:
    yield from sorted(f"{name} {version}" for name, version in packages.versions([_java(), "libtomcat10-java"]).items())


TOMCAT = Recipe(
    packages=("tomcat10-common",),
    also=("libtomcat10-java", "libeclipse-jdt-core-java", "default-jre-headless"),
    command=("catalina.sh", "run"),
    files={
        f"{HOME}/conf/server.xml": SERVER,
        f"{HOME}/conf/context.xml": CONTEXT,
        f"{HOME}/conf/web.xml": WEB,
        f"{HOME}/webapps/ROOT/index.html": PAGE,
    },
    programs={"/usr/local/bin/java": '#!/bin/sh\nexec /usr/lib/jvm/*/bin/java "$@"\n'},
    folders=tuple(f"{HOME}/{name}" for name in ("logs", "temp", "work", "webapps")),
    copies=_copies,
    facts=_facts,
    # A heap that leaves a small machine its memory, and a start that costs a second of a processor instead of two.
    env=(
        f"PATH={HOME}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"CATALINA_HOME={HOME}",
        "JRE_HOME=/usr/local",
        "CATALINA_OPTS=-Xmx128m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    ),
    working_dir=HOME,
    user="tomcat",
    ports=("8080/tcp",),
    left_out=("/",),
)
