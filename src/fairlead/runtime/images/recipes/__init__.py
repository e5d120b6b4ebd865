"""The images that this machine can make itself, by name. Any other name is that of a Debian package, taken as it is."""

from fairlead.runtime.images.recipe import Recipe
from fairlead.runtime.images.recipes.busybox import BUSYBOX
from fairlead.runtime.images.recipes.controller import CONTROLLER
from fairlead.runtime.images.recipes.nginx import NGINX
from fairlead.runtime.images.recipes.tomcat import TOMCAT
from fairlead.runtime.images.recipes.webhook_certificate import WEBHOOK_CERTIFICATE

RECIPES: dict[str, Recipe] = {
    "busybox": BUSYBOX,
    "nginx": NGINX,
    "tomcat": TOMCAT,
    "ingress-controller": CONTROLLER,
    "webhook-certificate": WEBHOOK_CERTIFICATE,
}
