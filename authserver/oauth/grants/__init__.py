"""The grants, one file each. Adding one is a file and a line in this list; the metadata document follows by itself."""

from authserver.oauth.grants.client_credentials import ClientCredentialsGrant
from authserver.oauth.grants.password import PasswordGrant
from authserver.oauth.grants.refresh_token import RefreshTokenGrant

GRANTS = (PasswordGrant, RefreshTokenGrant, ClientCredentialsGrant)
